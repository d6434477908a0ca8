"""What the splitter is made of: sentences, pieces and their packing."""
