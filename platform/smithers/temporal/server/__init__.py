"""The local Temporal server: where its binary comes from, who owns its process, how commands hold on to it.

    places      the files of one project's server
    binary      finds or makes the Temporal binary (download, build)
    supervisor  one small process per project that owns the server
    process     the server as that process's child
    wire        JSON lines over the supervisor's socket
    joining     a command's way to the server; `keeping` for processes that outlive a supervisor

Other packages come in through `smithers.temporal.local`.
"""
