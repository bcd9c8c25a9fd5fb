"""For authors: a workflow's test runs in memory, in milliseconds, without a server.

`simulate` runs a whole workflow with scripted results and decisions and a clock that jumps. `InMemoryRun` is the same,
one event at a time. `preview` runs nothing: it shows the tree and its nodes, as if some tasks were done.
"""

from smithers.engine.answer import Answer as Answer
from smithers.engine.preview import preview as preview
from smithers.testing.memory_run import InMemoryRun as InMemoryRun
from smithers.testing.simulate import Failure as Failure
from smithers.testing.simulate import Simulated as Simulated
from smithers.testing.simulate import fails as fails
from smithers.testing.simulate import simulate as simulate
