"""Networks that no library defines the way the paper used them."""
