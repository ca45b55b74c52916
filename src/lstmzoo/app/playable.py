"""Videos as browsers play them."""

from pathlib import Path

import av

from lstmzoo.io.atomic import replacing


def playable(video: Path) -> Path:
    """Write a video once more beside it, as H.264; OpenCV's MPEG-4 plays in no browser."""
    target = video.with_name(f"{video.stem}_h264.mp4")
    with replacing(target) as temporary, av.open(str(video)) as source, av.open(str(temporary), "w") as output:
        images = source.streams.video[0]
        stream = output.add_stream("libx264", rate=images.average_rate, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = images.width & ~1, images.height & ~1, "yuv420p"
        for frame in source.decode(images):
            output.mux(stream.encode(frame.reformat(stream.width, stream.height, "yuv420p")))
        output.mux(stream.encode(None))
    return target
