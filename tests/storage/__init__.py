"""Files: the port over a local folder, S3 and Cloudinary, and the virus scan."""
