"""The compared methods' losses, beside the weights that their papers state."""

from __future__ import annotations

from fourpass.losses.published import METHODS, properties_of

# pixel and its kind, adversarial, feature and its layer, contextual, perceptual; whether VGG19 is asked.
# SRGAN: Ledig et al., 2017, equations 3 to 6; CX: Mechrez et al., 2018; 4PP-EUSR: section 4.3.
PUBLISHED = {
    "srresnet-mse": (1, "mse", 0, 0, "", 0, 0, False),
    "srresnet-vgg22": (0, "l1", 0, 1, "conv2_2", 0, 0, True),
    "edsr": (1, "l1", 0, 0, "", 0, 0, False),
    "mdsr": (1, "l1", 0, 0, "", 0, 0, False),
    "eusr": (1, "l1", 0, 0, "", 0, 0, False),
    "srgan-mse": (1, "mse", 1e-3, 0, "", 0, 0, False),
    "srgan-vgg22": (0, "l1", 1e-3, 1, "conv2_2", 0, 0, True),
    "srgan-vgg54": (0, "l1", 1e-3, 1, "conv5_4", 0, 0, True),
    "cx": (10, "low-frequency", 1e-3, 0, "", 0.1, 0, True),
    "4pp-eusr": (0.03, "l1", 0.1, 0.1, "predictors", 0, 0.01, False),
}


def test_weights_of_the_losses() -> None:
    found = {
        name: (
            method.losses.pixel,
            method.losses.pixel_kind,
            method.losses.adversarial,
            method.losses.feature,
            method.losses.feature_layer,
            method.losses.contextual,
            method.losses.perceptual,
            method.losses.needs_vgg,
        )
        for name, method in METHODS.items()
    }
    assert found == PUBLISHED


def test_sizes_of_the_networks() -> None:
    """Features and blocks, as the papers state them."""
    sizes = {
        name: (method.numbers["features"], method.numbers.get("blocks", method.numbers.get("shared_blocks")))
        for name, method in METHODS.items()
    }
    assert sizes["edsr"] == (256, 32)
    assert sizes["mdsr"] == (64, 80)
    assert sizes["eusr"] == sizes["4pp-eusr"] == (64, 32)
    assert {sizes[name] for name, method in METHODS.items() if method.architecture == "srresnet"} == {(64, 16)}
    assert METHODS["edsr"].numbers["residual_scaling"] == 0.1
    assert [name for name, method in METHODS.items() if method.self_ensemble] == ["edsr"]


def test_rows_of_table_1() -> None:
    wanted = ("multi_scale", "reconstruction_loss", "adversarial_loss", "feature_loss", "perceptual_loss")
    rows = {name: tuple(properties_of(name)[column] for column in wanted) for name in METHODS}
    assert rows["edsr"] == ("no", "yes", "no", "no", "no")
    assert rows["mdsr"] == rows["eusr"] == ("yes", "yes", "no", "no", "no")
    assert rows["srresnet-vgg22"] == ("no", "no", "no", "yes", "no")
    assert rows["srgan-vgg54"] == ("no", "pre-training only", "yes", "yes", "no")
    assert rows["cx"] == ("no", "yes", "yes", "yes", "no")
    assert rows["4pp-eusr"] == ("yes", "yes", "yes", "yes", "yes")
