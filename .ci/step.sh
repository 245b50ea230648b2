# step LIMIT COMMAND... prints a heading, runs the command for at most LIMIT without input, and prints how long it took.
step() {
  local limit=$1 start=$SECONDS status=0
  shift
  printf '\n=== %s\n' "$*"
  timeout --kill-after=10s "$limit" "$@" </dev/null || status=$?
  if [ "$status" = 124 ]; then
    printf '%s\n' "--- $* took more than its limit of $limit"
  fi
  printf '%s\n' "--- $* ended with status $status after $((SECONDS - start)) s"
  return "$status"
}
