"""What a spine is: ordered vertebrae with corners and names, and what is measured from them."""
