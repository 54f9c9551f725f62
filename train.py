"""Train and evaluate one run: `python train.py loss=mbls model=unet data=acdc`."""

from mlseg.cli.train import main

if __name__ == "__main__":
    main()
