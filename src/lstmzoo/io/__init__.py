"""Files from anywhere, read and written safely: videos, images, downloads, caches."""
