"""What `mlseg-predict --help` says."""

HELP = """\
mlseg-predict applies a trained run, or the mean of several, to scans. What it writes lies on the scan's own grid.

usage: mlseg-predict run=DIR input=SCANS output=PLACE [setting=value ...]

Settings:
  run=DIR                     the directory of a run; run=[DIR1,DIR2] averages the probabilities of several
  input=SCANS                 a file; the files of one case's channels, input=[t1.nii.gz,t2.nii.gz], or one 4-D file;
                              a folder of files, of nnU-Net's case_0000.nii.gz or of channel names (case_t1.nii.gz);
                              a whole data set in the layout of the run's own; test, val or train: the run's own cases
  output=PLACE                a folder, or a .nii.gz file for one case
  save=[labels]               labels, probs_nifti (float32, 4-D), probs_npz (float16, as nnU-Net's), confidence, entropy
  references=PLACE            reference label maps, to compare volumes and ejection fractions with
  tta=none                    flips: the mean over all flips of the axes in the run's data.flip_axes
  largest_component=false     true, or labels in brackets: keep the largest connected part, in label maps only
  calibrator=none             auto: the one that mlseg-calibrate left beside the weights; or its file
  checkpoint=best             best, last, or the path of a checkpoint
  orientation=null            axis codes of the training data, for a run with data.source.orientation=native
  device=auto                 auto, cpu, cuda or cuda:<number>
  data.root=                  where the run's own data is now, for input=test
  evaluation.inference=       full or window; likewise evaluation.batch_size=, evaluation.precision=

Examples:
  mlseg-predict run=DIR input=scan.nii.gz output=seg.nii.gz
  mlseg-predict run=DIR input=imagesTs output=predicted 'save=[labels,probs_npz,entropy]'
  mlseg-predict run=[DIR1,DIR2,DIR3] input=imagesTs output=predicted tta=flips
  mlseg-predict run=DIR input=test output=predicted 'save=[labels,probs_nifti]'

Options:
  -m                          run every combination of values separated by commas
  --cfg job                   print the configuration
  --version                   print the version

Results:
  PLACE/<case>.nii.gz, and beside them as asked for <case>.npz, probs/, confidence/, entropy/<case>.nii.gz;
  volumes.csv, ejection_fraction.csv (of cases with ED and ES), predict.json, dataset.json (names and values of labels).
  The same command goes on where it was cut. Exit status: 0; 1 if a scan could not be read; 2 for a mistake.
"""
