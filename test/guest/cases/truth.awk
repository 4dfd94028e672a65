# SPDX-License-Identifier: Apache-2.0
# Reduces a text trace to what the kernel saw between the marker programs, one "told" line each:
# exec PID FILE, exit PID, and open PID FILE for the files made for it. Threads are the last number
# of the first column.
{
  match($1, /-[0-9]+$/)
  pid = substr($1, RSTART + 1)
}
/sched_process_exec: / && $0 ~ "filename=" place "begin " { inside = 1 }
inside && /sched_process_exec: / {
  match($0, /filename=[^ ]*/)
  print "told exec " pid " " substr($0, RSTART + 9, RLENGTH - 9)
}
inside && /sched_process_exit: / {
  if ($1 !~ /^(kworker|ksoftirqd|migration|rcu|cpuhp|undercroft)/) print "told exit " pid
}
inside && / ask: / {
  match($0, /name="[^"]*"/)
  asked[pid] = substr($0, RSTART + 6, RLENGTH - 7)
}
inside && / answer: / {
  match($0, /file=-?[0-9]+/)
  file = substr($0, RSTART + 5, RLENGTH - 5) + 0
  # Errors are the last 4095 addresses: as a signed number, above -4096.
  if (!(file < 0 && file > -4096) && index(asked[pid], place "file") == 1)
    print "told open " pid " " asked[pid]
}
/sched_process_exec: / && $0 ~ "filename=" place "end " { inside = 0 }
