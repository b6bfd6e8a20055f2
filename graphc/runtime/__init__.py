"""From C source text to a called function: compiler, cache, loading, memory, threads.

The `doctor` module, which only the command line needs, is not imported here.
"""

from graphc.runtime.builds import Build, forget_build
from graphc.runtime.cache import Cache, cache_folder, cache_key, default_cache
from graphc.runtime.errors import CompileError, CompilerNotFound, CompilerTimeout, LoadError
from graphc.runtime.memory import Arena, ResultMemory, give_back_free_memory
from graphc.runtime.native import NativeLibrary, build_library, load_library
from graphc.runtime.program import NativeProgram
from graphc.runtime.threads import building_ahead, quiet_numpy_threads
from graphc.runtime.toolchain import Toolchain, compile_flags, cpu_features, find_toolchain
from graphc.thread_count import get_num_threads, set_num_threads

__all__ = [
    "Arena",
    "Build",
    "Cache",
    "CompileError",
    "CompilerNotFound",
    "CompilerTimeout",
    "LoadError",
    "NativeLibrary",
    "NativeProgram",
    "ResultMemory",
    "Toolchain",
    "build_library",
    "building_ahead",
    "cache_folder",
    "cache_key",
    "compile_flags",
    "cpu_features",
    "default_cache",
    "find_toolchain",
    "forget_build",
    "get_num_threads",
    "give_back_free_memory",
    "load_library",
    "quiet_numpy_threads",
    "set_num_threads",
]
