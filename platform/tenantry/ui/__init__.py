"""Templates and assets that the front door, the two platform apps and every site share."""
