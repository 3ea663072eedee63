"""Result files, read and checked field by field."""
