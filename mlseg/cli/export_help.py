"""What `mlseg-export --help` says."""

HELP = """\
mlseg-export writes the network of a run as one file that needs neither mlseg nor torch, with the constants of its
preprocessing. Before it takes its name, the file is run with onnxruntime and compared with the network.

usage: mlseg-export run=DIR [setting=value ...]

Settings:
  run=DIR                     the directory of a run
  output=FILE                 a file that ends in .onnx; null: best.onnx in the run's directory
  checkpoint=best             best, last, or the path of a checkpoint
  calibrator=none             goes into the file: auto, what mlseg-calibrate left beside the checkpoint; or a path
  format=onnx                 the only one so far
  orientation=null            axis codes of the training data, for a run with data.source.orientation=native
  data.root=                  where the run's own data is now; it knows the stored value of each label
  evaluation.inference=       full or window: how the user of the file is told to look at a slice

Examples:
  mlseg-export run=DIR format=onnx
  mlseg-export run=DIR calibrator=auto output=calibrated.onnx
  mlseg-export run=DIR checkpoint=last output=heart.onnx orientation=LPS

Options:
  -m                          run every combination of values separated by commas
  --cfg job                   print the configuration
  --version                   print the version

Results:
  FILE: input image (N,C,H,W) or (N,C,D,H,W), normalised, of any size; output probs (N,K,...), calibrated if asked for.
  Its metadata say how a scan is prepared; scripts/run_onnx.py does it with numpy, nibabel and onnxruntime alone.
  It needs onnx and onnxruntime: pip install 'mlseg[export]'. Exit status: 0; 1 if it failed; 2 for a mistake.
"""
