"""The engine that runs Qwen models in this process."""
