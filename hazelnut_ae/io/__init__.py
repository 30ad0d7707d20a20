"""Reading and writing: files, images and the cache. Imports nothing else of the package but `errors`."""
