"""The mixture of experts: hidden states → the sum of the shared and the chosen experts, and their loads."""
