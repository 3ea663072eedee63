"""What helps, by how much, how surely: benchmark and lift."""
