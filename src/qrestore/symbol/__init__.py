"""What a QR symbol is (ISO/IEC 18004): its geometry, its picture, and the readers that decode it."""
