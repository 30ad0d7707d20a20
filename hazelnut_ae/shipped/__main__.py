"""`python -m hazelnut_ae.shipped` writes the page of measured numbers."""

from hazelnut_ae.shipped.report import write_page

print(write_page())
