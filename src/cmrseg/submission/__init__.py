"""Grand Challenge by way of evalutils: scoring a submission, and the old kind of algorithm."""
