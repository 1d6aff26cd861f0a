"""What the car perceives: rows of the state table in, arrays out."""
