"""Coverage-guided fuzzing of everything that reads what others wrote; what it finds is kept as tests."""
