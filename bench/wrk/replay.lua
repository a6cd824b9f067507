-- replay.lua - open a stream, take the whole history, and be done; the response has to be complete to be counted
-- SPDX-License-Identifier: MIT
-- No response function: looking at each answer in Lua would be most of what is measured. The driver counts the events
-- of one answer itself, and then holds the bytes of all of them against it.
dofile(os.getenv("BENCH_WRK") .. "/report.lua")
wrk.headers["Accept"] = "text/event-stream"
