"""What a compiled function keeps: its builds, how they are called and differentiated, and what is told of them."""
