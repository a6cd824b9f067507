# __init__.py - the benchmark's driver: processes, scenarios, results, report
# SPDX-License-Identifier: MIT
