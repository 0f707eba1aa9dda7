"""The input of encoders: words of a sentence as ids, and what else is known of them."""
