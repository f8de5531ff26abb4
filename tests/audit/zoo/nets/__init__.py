"""Hand-written nets, all of them right; as different from one another as people write them."""
