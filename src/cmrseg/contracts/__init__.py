"""How cases come in and results go out."""
