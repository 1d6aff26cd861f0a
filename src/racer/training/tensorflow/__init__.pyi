from .checkpoint import DATA_SUFFIX as DATA_SUFFIX
from .checkpoint import INDEX_SUFFIX as INDEX_SUFFIX
from .checkpoint import META_SUFFIX as META_SUFFIX
from .checkpoint import Tensors as Tensors
from .checkpoint import read_checkpoint as read_checkpoint
from .checkpoint import write_checkpoint as write_checkpoint
from .evaluation import evaluate_graph as evaluate_graph
from .graph import Node as Node
from .graph import constant as constant
from .graph import read_graph as read_graph
from .graph import write_graph as write_graph
from .graph import write_meta as write_meta
from .graph_maker import input_name as input_name
from .graph_maker import output_name as output_name
from .graph_maker import policy_graph as policy_graph
from .layout import policy_network as policy_network
from .weights import DEEPRACER_NETWORKS as DEEPRACER_NETWORKS
from .weights import find_agent as find_agent
from .weights import fresh_critics as fresh_critics
from .weights import policy_state as policy_state
from .weights import policy_tensors as policy_tensors
from .weights import value_state as value_state
from .weights import value_tensors as value_tensors

__all__ = [
    "DATA_SUFFIX",
    "DEEPRACER_NETWORKS",
    "INDEX_SUFFIX",
    "META_SUFFIX",
    "Node",
    "Tensors",
    "constant",
    "evaluate_graph",
    "find_agent",
    "fresh_critics",
    "input_name",
    "output_name",
    "policy_graph",
    "policy_network",
    "policy_state",
    "policy_tensors",
    "read_checkpoint",
    "read_graph",
    "value_state",
    "value_tensors",
    "write_checkpoint",
    "write_graph",
    "write_meta",
]
