"""Files of the platform: locks, scratch folders, and errors of the disk."""
