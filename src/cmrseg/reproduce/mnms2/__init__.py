"""galati2021's tables and figures: hearts, what is measured of each, tables, figures, the page."""
