"""`otoloop demo`: one turn of the loop on a simulated site, with the real parts, told in plain words."""
