"""Every restorer and reader under one signature, measured on every data set the same way."""
