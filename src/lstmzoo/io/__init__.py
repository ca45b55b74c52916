"""Files of anybody, read and written safely: videos, images, downloads, caches."""
