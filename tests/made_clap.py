"""Small CLAP models with random weights, as transformers saves them."""

import numpy as np

from mmsearch.encoders import heavy

CORPUS = [
    "a dog barks at the rain and the rain falls on the roof",
    "birds sing in the morning while a train passes over the bridge",
    "somebody plays the trumpet in the street, again and again",
]
SETTINGS = {
    "text_config": {
        "vocab_size": 400,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 66,
    },
    "audio_config": {
        "patch_embeds_hidden_size": 8,
        "depths": [1, 2, 1, 1],
        "num_attention_heads": [1, 1, 2, 2],
        "hidden_size": 64,
    },
    "projection_dim": 64,
}
LARGE = {"text_config": {"max_position_embeddings": 514}, "audio_config": {}}


def save(folder, fused=False, settings=SETTINGS):
    """Write a model to `folder`; returns it as transformers has it."""
    torch, transformers = heavy.torch(), heavy.transformers()
    torch.manual_seed(0)
    settings = {**settings, "audio_config": {**settings["audio_config"], "enable_fusion": fused}}
    model = transformers.ClapModel(transformers.ClapConfig(**settings)).eval()
    scatter(model)
    model.save_pretrained(folder)
    extractor = transformers.ClapFeatureExtractor(
        truncation="fusion" if fused else "rand_trunc", frequency_min=50, frequency_max=14_000
    )
    extractor.save_pretrained(folder)
    tokenizer(folder).save_pretrained(folder)
    return model


def scatter(model):
    """As they are initialised, biases are 0 and vectors of different sounds nearly the same: that would hide errors."""
    torch = heavy.torch()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim <= 1 or "bias_table" in name:
                weight.add_(0.3 * torch.randn_like(weight))
            elif "embeddings" not in name:
                weight.add_(torch.randn_like(weight) / weight[0].numel() ** 0.5)
        norm = model.audio_model.audio_encoder.batch_norm
        norm.running_mean.normal_(-40, 5)
        norm.running_var.uniform_(300, 600)


def tokenizer(folder):
    """A byte-level BPE with RoBERTa's marks, trained on three sentences."""
    from tokenizers import ByteLevelBPETokenizer

    trained = ByteLevelBPETokenizer()
    marks = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(CORPUS * 20, vocab_size=380, special_tokens=marks, show_progress=False)
    trained.save_model(str(folder))
    return heavy.transformers().RobertaTokenizerFast(
        vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), model_max_length=64
    )


def windows():
    """Sounds of 10 s and less, at 48 kHz: noise, a loud tone, a quiet one, a sweep, a click."""
    rng = np.random.default_rng(0)
    time = np.arange(480_000) / 48_000
    click = np.zeros(480_000)
    click[1000] = 1
    sounds = [
        0.1 * rng.standard_normal(480_000),
        np.sin(2 * np.pi * 440 * time),
        1e-4 * np.sin(2 * np.pi * 3000 * time[:130_000]),
        0.5 * np.sin(2 * np.pi * (100 + 300 * time) * time)[:240_048],
        click,
        0.1 * rng.standard_normal(7),
        0.3 * rng.standard_normal(479_999),
    ]
    return [np.asarray(sound, np.float32) for sound in sounds]


def reference(model, folder, sounds):
    """Vectors of transformers' own path, where no window counts as longer than 10 s."""
    torch, transformers = heavy.torch(), heavy.transformers()
    extractor = transformers.ClapFeatureExtractor.from_pretrained(folder)
    given = extractor(sounds, sampling_rate=48_000, return_tensors="pt")["input_features"]
    with torch.inference_mode():
        none = torch.zeros(len(sounds), 1, dtype=torch.bool)
        return model.get_audio_features(input_features=given, is_longer=none).pooler_output.numpy()


def text_reference(model, folder, texts):
    """Vectors of transformers' own path."""
    torch, transformers = heavy.torch(), heavy.transformers()
    given = transformers.AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        return model.get_text_features(given["input_ids"], given["attention_mask"]).pooler_output.numpy()
