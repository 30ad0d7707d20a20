"""Downloads real data sets and unpacks them safely."""
