# __init__.py - what drives the benchmark: processes, scenarios, results, report
# SPDX-License-Identifier: MIT
