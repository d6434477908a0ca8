"""What matching sees of a text: folded forms, pieces and terms."""
