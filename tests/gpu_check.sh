#!/usr/bin/env bash
# usage: tests/gpu_check.sh OUT [SECONDS]
#
# All that a GPU has to answer, in the order of worth, for a machine with a GPU, Python 3.12 and no network. Each step has
# a limit and says in one line how it ended; whatever cuts this script off, OUT holds what there was: summary.txt, all.log
# and tables (hebbian.csv, cultures.csv, profile.csv, table2.csv).
#
# WHEELS=FOLDER     wheels to install first (Brian2, Brian2CUDA, pydantic and what they need)
# PROGRAMS=FOLDER   cultures built ahead: python -m culture_sim.bench.cuda --build FOLDER
# CULTURE_DATA      folder with cifar10/ in it, for table 2
# STEPS="a b ..."   only these: tests hebbian culture_tests cultures profile table2
# REHEARSE=1        the same steps on the processor, in minutes: small sizes, kernels compiled for the processor
set -uo pipefail
cd "$(dirname "$0")/.."
out=$(mkdir -p "${1:?usage: tests/gpu_check.sh OUT [SECONDS]}" && cd "$1" && pwd)
total=${2:-560}
python=${PYTHON:-python3}
rehearse=${REHEARSE:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONUNBUFFERED=1 PYTHONWARNINGS=ignore TERM=dumb
export PYTHONPATH="$work/site:$PWD" PYTHONDONTWRITEBYTECODE=1
: >"$out/summary.txt"
: >"$out/all.log"

say() { echo "$*" | tee -a "$out/summary.txt"; }

# step NAME LIMIT COMMAND...: run it, log it, and say in one line how it ended
step() {
  local name=$1 limit=$2 begun=$SECONDS code
  shift 2
  [[ -z ${STEPS:-} || " $STEPS install " == *" $name "* ]] || return 0
  ((limit < total - SECONDS)) || limit=$((total - SECONDS))
  ((limit > 0)) || { say "FAILED $name: no time left" && return 1; }
  timeout -k 5 "$limit" "$@" >"$work/$name.log" 2>&1
  code=$?
  { echo "== $name: $*" && cat "$work/$name.log"; } >>"$out/all.log"
  local took="$((SECONDS - begun)) s" last
  last=$(grep -v '^[[:space:]]*$' "$work/$name.log" | grep -E '^(error:|E  |FAILED|=+ .*(passed|failed))|[Ee]rror' | tail -1)
  [[ -n $last ]] || last=$(grep -v '^[[:space:]]*$' "$work/$name.log" | tail -1)
  case $code in
    0) say "ok     $name ($took)${last:+: ${last:0:160}}" ;;
    124 | 137) say "FAILED $name ($took): ended at its limit; ${last:0:160}" ;;
    *) say "FAILED $name ($took), exit code $code: ${last:0:200}" ;;
  esac
  grep '^\(FAILED\|ERROR\) tests/\|^error: ' "$work/$name.log" | cut -c1-200 | sed 's/^/         /' | tee -a "$out/summary.txt"
  return "$code"
}

# Wheels into a folder of its own, and the version that importlib looks up; nothing of the machine is changed.
install() {
  mkdir -p "$work/site/culture_twin-0.dist-info"
  printf 'Metadata-Version: 2.1\nName: culture-twin\nVersion: 0\n' >"$work/site/culture_twin-0.dist-info/METADATA"
  [[ -z ${WHEELS:-} ]] || "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade \
    --target "$work/site" "$WHEELS"/*.whl || return
  # Brian2CUDA warns when it is compiled, which must not happen within tests: a warning fails them
  [[ ! -d $work/site/brian2cuda ]] || "$python" -m compileall -q "$work/site/brian2cuda"
  "$python" -c "import brian2, pydantic, torch, typer; print(brian2.__version__, torch.__version__, torch.cuda.is_available())"
}

# Table 2: as many seeds, methods and numbers of labels as the time allows; what was finished becomes rows
table2() {
  local -a size=(--device cuda --seeds 5 --jobs 4) limit=$1
  [[ -z $rehearse ]] || size=(--device cpu --seeds 1 --jobs 1 --quick --set 'network.methods={none: {pretraining: none}}')
  timeout "$limit" "$python" -m hebbian_dl.run "${TABLE2:-fasthebb_cifar10}" "${size[@]}" --out "$work/runs"
  local code=$?
  mkdir -p "$work/runs"
  "$python" -m hebbian_dl.bench.finished "$work/runs" --csv "$out/table2.csv" && wc -l <"$out/table2.csv"
  [[ $code != 124 ]] || code=0 # as far as it came
  return $code
}

export -f install table2
export work out python rehearse
for lib in $("$python" -c "import importlib.util as u, pathlib
for root in (u.find_spec('nvidia').submodule_search_locations if u.find_spec('nvidia') else []):
    print(*{p.parent for p in pathlib.Path(root).glob('*/lib/libcurand.so*')})" 2>/dev/null); do
  export LD_LIBRARY_PATH="$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" # programs built ahead look for cuRAND
done

test_options=(-q -p no:cacheprovider --tb=short)
cultures=(--csv "$out/cultures.csv" ${PROGRAMS:+--programs "$PROGRAMS"})
hebbian=(--stages --csv "$out/hebbian.csv")
culture_tests=(-m gpu tests/culture_sim/engines/test_cuda.py)
if [[ -n $rehearse ]]; then # the GPU is a script that claims to be one, its programs run on the processor
  export GPU_TEST_DEVICE=cpu OMP_NUM_THREADS=1 PROGRAMS="$work/programs"
  mkdir -p "$work/bin" "$PROGRAMS"
  cultures=(--csv "$out/cultures.csv" --programs "$PROGRAMS" --size 60x3 --presentations 3)
  culture_tests=(-m "gpu or slow" -k "on_a_gpu or single_precision" "${culture_tests[@]:2}")
  hebbian+=(--device cpu --protocol digits_hebb --images 256 --rounds 1 --total 90 --threads 1)
else
  hebbian+=(--device cuda --total 240)
  cultures+=(--total 380)
fi

step install 60 bash -c install || exit 1
[[ -n $rehearse ]] || { nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader | tee -a "$out/summary.txt"; }
step tests 120 "$python" -m pytest "${test_options[@]}" -m gpu tests/hebbian_dl/test_gpu.py
step hebbian 250 "$python" -m hebbian_dl.bench "${hebbian[@]}"
step culture_tests 300 "$python" -m pytest "${test_options[@]}" "${culture_tests[@]}"
if [[ -n $rehearse ]]; then
  step programs 150 "$python" -m tests.reference.cuda_on_cpu "$PROGRAMS" 60x3
  printf '#!/bin/sh\necho "no GPU: a rehearsal, 9.0, 8000"\n' >"$work/bin/nvidia-smi"
  chmod +x "$work/bin/nvidia-smi"
  export PATH="$work/bin:$PATH"
fi
step cultures 400 "$python" -m culture_sim.bench.cuda "${cultures[@]}"
[[ -n $rehearse ]] || ! command -v ncu >/dev/null || step profile 60 ncu --target-processes all --launch-skip 3000 \
  --launch-count 100 --metrics gpu__time_duration.sum --csv --log-file "$out/profile.csv" \
  "$python" -m culture_sim.bench.cuda --size 240x1000 --presentations 1 --csv "$work/profiled.csv" ${PROGRAMS:+--programs "$PROGRAMS"}
left=$((total - SECONDS - 20))
step table2 $((left > 0 ? left + 15 : 1)) bash -c "table2 $((left > 1 ? left : 1))"
! grep -q ^FAILED "$out/summary.txt"
