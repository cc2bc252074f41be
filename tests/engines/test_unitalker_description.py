"""What the description of a torch UniTalker may say, read without torch."""

import subprocess
import sys

import pytest

from a2f_batch.engines.description import read_description
from a2f_batch.engines.unitalker_torch.architecture import Architecture, EncoderSizes, read_architecture
from a2f_batch.errors import EngineError
from a2f_batch.names import ARKIT_52, vocabulary
from tests.engines.unitalker_networks import GOLDEN, HEADS, STEMS, copied


def architecture(folder, stem="wavlm_conv", **keys) -> Architecture:
    return read_architecture(read_description(copied(stem, folder, **keys)))


@pytest.mark.parametrize("stem", STEMS)
def test_the_golden_descriptions_are_read_as_they_stand(stem):
    description = read_description(GOLDEN / f"{stem}.json")
    network = read_architecture(description)
    assert (description.engine, description.sample_rate, description.sha256) == ("unitalker_torch", 16000, None)
    assert description.weights == GOLDEN / f"{stem}.safetensors"
    assert dict(network.heads) == dict(zip(HEADS, (52, 51), strict=True))
    assert network.identity_num == 9
    assert network.sizes.receptive_samples == 400


def test_a_description_needs_no_more_than_an_encoder_and_heads(tmp_path):
    path = tmp_path / "net.json"
    path.write_text('{"encoder": "wavlm", "heads": {"mine": 3}}')
    network = read_architecture(read_description(path))
    assert network.sizes == EncoderSizes()
    assert (network.decoder_type, network.decoder_dimension, network.interpolate_pos, network.headlayer, network.period) == (
        "conv", 256, 1, 1, 30)
    assert network.head_names["mine"] == ("mine_000", "mine_001", "mine_002")


def test_the_published_blend_shape_heads_have_arkits_names_in_their_own_order(tmp_path):
    names = architecture(tmp_path).head_names
    assert set(names["3DETF_blendshape_weight"]) == set(ARKIT_52)
    assert names["3DETF_blendshape_weight"][0] == "browDownLeft"
    assert names["inhouse_blendshape_weight"] == tuple(vocabulary("unitalker51").to_hub.values())


def test_a_description_can_name_the_channels_of_its_heads(tmp_path):
    mine = [f"c{i}" for i in range(52)]
    names = architecture(tmp_path, channels=mine).head_names
    assert names["3DETF_blendshape_weight"] == tuple(mine)
    assert names["inhouse_blendshape_weight"][0] == "eyeBlinkLeft"
    names = architecture(tmp_path, head_channels={"inhouse_blendshape_weight": mine[:51]}).head_names
    assert names["inhouse_blendshape_weight"] == tuple(mine[:51])


@pytest.mark.parametrize(("key", "value"), [
    ("encoder", "hubert"), ("encoder_config", []), ("encoder_config", {"hidden_size": 0}), ("encoder_config", {"hidden_size": 47}),
    ("encoder_config", {"num_hidden_layers": 10**6}), ("encoder_config", {"conv_dim": [32]}), ("encoder_config", {"conv_dim": "x"}),
    ("encoder_config", {"feat_extract_norm": "batch"}), ("encoder_config", {"conv_bias": 1}), ("encoder_config", {"layer_norm_eps": 0}),
    ("encoder_config", {"hidden_act": "relu"}), ("encoder_config", {"num_buckets": 320, "max_bucket_distance": 80}),
    ("decoder_type", "lstm"), ("decoder_dimension", 2.5), ("decoder_dimension", True), ("identity_num", 0), ("interpolate_pos", 3),
    ("interpolate_pos", True), ("headlayer", 10**9), ("period", -1), ("heads", {}), ("heads", None), ("heads", ["a"]),
    ("heads", {"a.b": 3}), ("heads", {"a": 0}), ("heads", {"../a": 1}), ("pca", {"nobody": {}}), ("pca", {HEADS[0]: 3}),
    ("pca", {HEADS[0]: {"components": 53}}), ("pca", {HEADS[0]: {"scale": 0}}), ("head_channels", {HEADS[0]: ["a"]}),
    ("head_channels", {HEADS[0]: "pixies"}), ("channels", ["a"]), ("styles", ["a", "b"]), ("styles", "a"),
])
def test_a_wrong_value_is_refused_with_its_key(tmp_path, key, value):
    with pytest.raises(EngineError, match=key) as caught:
        architecture(tmp_path, **{key: value})
    assert caught.value.code == "description-invalid"
    assert caught.value.remedy


def test_the_transformer_decoder_takes_no_frames_at_the_sounds_rate(tmp_path):
    with pytest.raises(EngineError, match="interpolate_pos"):
        architecture(tmp_path, "wavlm_transformer", interpolate_pos=2)


def test_without_torch_the_remedy_is_to_install_it():
    code = ("import sys; sys.modules['torch'] = None\n"
            "import a2f_batch as a2f\n"
            f"try: a2f.load_engine({str(GOLDEN / 'wavlm_conv.json')!r}, device='cpu')\n"
            "except a2f.EngineError as error: print(error.code, error.remedy)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("runtime-missing")
    assert "pip install 'a2f-batch[torch]'" in done.stdout
