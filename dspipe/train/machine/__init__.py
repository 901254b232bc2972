"""What a training runs on: the device, the number format, the memory, and what was chosen for them."""
