"""`smithers cache clear`: forgets outputs that are kept for other runs."""

from __future__ import annotations

from smithers.cli.commands.cache_ls import NodeOption, WorkflowOption
from smithers.cli.options import FormOption
from smithers.cli.output import Form
from smithers.cli.session import session


def command(workflow: WorkflowOption = "", node: NodeOption = "", form: FormOption = Form.plain) -> int:
    """Forgets what the cache keeps: all of it, or what the options name. The runs and their outputs stay."""
    with session(form) as here:
        cleared = here.store.clear_cache(workflow=workflow, node=node)
        if here.out.is_json:
            here.out.document({"cleared": cleared, "workflow": workflow or None, "nodeId": node or None})
        else:
            here.out.line(f"forgotten: {cleared} output{'' if cleared == 1 else 's'}")
    return 0
