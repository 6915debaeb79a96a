"""The outside world as tests want it: it speaks the real protocol over a real socket, and misbehaves when told."""
