"""What the platform does with files: locks, scratch folders, and what the disk may answer."""
