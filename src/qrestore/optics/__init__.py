"""How print and capture spoil an image. Knows images, not symbols."""
