"""Stand-ins for the worker's handler, in a module of their own so that spawned processes can import them."""

import os
import time
from pathlib import Path

SLOW = 77  # columns of a picture that takes ten seconds


def nearest(argument):
    """A handler that does all that the real one does, with pixels repeated in place of the network."""
    from fourpass.server import worker
    from fourpass.upscaling import upscaler as module

    class Repeating:
        scales, default_scale, decides = (2, 4, 8), 4, False

        def __init__(self, *args, **kwargs):
            pass

        def prepare(self, scale):
            pass

        def for_picture(self, image, table=None):
            return self, None

        def rows(self, image, scale=None, *, size=None, self_ensemble=False, progress=None, facts=None):
            rows = [i * image.shape[0] // size[0] for i in range(size[0])]
            columns = [i * image.shape[1] // size[1] for i in range(size[1])]
            for step in range(1, 100):
                if progress:
                    progress(step / 100)
                if image.shape[1] == SLOW:
                    time.sleep(0.1)
            return iter([image[rows][:, columns]])

    module.Upscaler = Repeating
    return worker.start(argument)


def of_folder(argument):
    """The real handler, with the folder that FOURPASS_TEST_PACKAGED names in place of the packaged weights."""
    from fourpass.server import worker
    from fourpass.weights import file

    file.PACKAGED = Path(os.environ["FOURPASS_TEST_PACKAGED"])
    return worker.start(argument)


def by_name(argument):
    """Do what the start of the upload says: sleep, crash, bug, fill the disk, or write it back."""
    from fourpass.disk import atomic
    from fourpass.errors import ImageError

    def handle(task, progress):
        words = Path(task.source).read_bytes()[:40].decode("latin-1").split()
        for step in range(10):
            progress(step / 10)
            if words[0] == "sleep":
                time.sleep(float(words[1]) / 10)
        if words[0] == "crash":
            os._exit(3)
        if words[0] == "full":
            try:
                with open("/dev/full", "wb") as file:
                    file.write(b"x")
            except OSError as error:
                raise atomic.unwritable("result", error, ImageError) from None
        if words[0] == "bug":
            raise KeyError("a mistake of ours")
        (Path(task.folder) / "result.png").write_bytes(b"x" * 1000)
        return {"file": "result.png", "suffix": ".png", "media_type": "image/png", "factor": 2.0, "output_pixels": 7}

    return handle
