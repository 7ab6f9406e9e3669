"""Which fields of a dialect's `extra` are no loss when they stay behind, as data.

Paths are those of the body, two levels deep (`reasoning.effort`). Facts: wire-facts 7.1.
"""

NOISE = frozenset(
    {
        # what a server stamps on an item, and padding: says nothing to another model
        *("id", "status", "object", "index", "type", "item", "choices", "message", "caller", "role"),
        *("obfuscation", "stream_options", "include", "store_id", "created", "created_at", "created_by"),
        # Codex's notes to its own service on every item, and how soon Claude shall stream a tool's arguments
        *("internal_chat_message_metadata_passthrough", "eager_input_streaming"),
        "$",  # how a value was spelled: see `dialects.spelling`
    }
)

SAYS_NOTHING = {"detail": "auto"}
"""Fields with the value that leaves the choice to the model: OpenAI's SDK demands that they are sent."""

REPLY_NOISE = frozenset(
    {
        # the request's echo and the service's own notes
        *("system_fingerprint", "service_tier", "provider", "output_text", "instructions", "max_output_tokens"),
        *("max_tool_calls", "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key", "store"),
        *("prompt_cache_retention", "reasoning", "safety_identifier", "temperature", "text", "tool_choice", "tools"),
        *("top_logprobs", "top_p", "truncation", "user", "metadata", "completed_at", "incomplete_details"),
        *("background", "billing", "frequency_penalty", "presence_penalty", "conversation", "usage", "x_groq"),
        *("createTime", "avgLogprobs", "safetyRatings", "finishMessage", "promptFeedback"),  # Gemini's
        *("content_filters", "prompt_filter_results", "content_filter_results", "context", "request_id"),
    }
)

_GEMINI_CONFIG = (
    *("maxOutputTokens", "temperature", "topP", "topK", "stopSequences", "seed", "candidateCount", "thinkingConfig"),
    *("responseMimeType", "responseSchema", "responseJsonSchema", "max_output_tokens", "top_p", "top_k"),
    *("stop_sequences", "candidate_count", "thinking_config", "response_mime_type", "response_schema"),
    "response_json_schema",
)

CARRIED: dict[str, frozenset[str]] = {
    "openai_chat": frozenset(
        {
            *("max_completion_tokens", "max_tokens", "stop", "response_format", "tool_choice", "functions"),
            *("function_call", "reasoning_effort", "reasoning.effort", "reasoning.max_tokens", "safety_identifier"),
            *("random_seed", "seed", "reasoning_content", "reasoning_details", "n", "user"),
        }
    ),
    "openai_responses": frozenset(
        {
            *("reasoning.effort", "text.format", "tool_choice", "safety_identifier", "previous_response_id"),
            *("reasoning.summary", "user"),
            "namespace",  # said in the function's name: see `dialects.custom_tools`
        }
    ),
    "anthropic_messages": frozenset(
        {
            *("thinking", "output_config.effort", "output_config.format", "tool_choice", "metadata"),
            *("stop_sequences", "anthropic_version"),
        }
    ),
    "bedrock_converse": frozenset(
        {
            *("inferenceConfig", "toolConfig", "outputConfig", "serviceTier", "requestMetadata", "performanceConfig"),
            *("additionalModelRequestFields.thinking", "additionalModelRequestFields.top_k"),
            *("additionalModelRequestFields.tool_choice", "additionalModelRequestFields.output_config"),
        }
    ),
    "ollama_chat": frozenset(
        {
            *("think", "format", "options.num_predict", "options.temperature", "options.top_p", "options.top_k"),
            *("options.stop", "options.seed", "keep_alive"),
        }
    ),
    "gemini_generate": frozenset(
        {
            *(f"{config}.{key}" for config in ("generationConfig", "generation_config") for key in _GEMINI_CONFIG),
            *("tools", "toolConfig.functionCallingConfig", "tool_config.function_calling_config", "labels"),
            *("serviceTier", "service_tier"),
        }
    ),
}
"""By dialect: fields that stay in `extra` because they have several readings, and that the canonical form has."""

_OPENAIS = frozenset(
    {
        *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "safety_identifier", "store"),
        *("top_logprobs", "moderation"),
    }
)

SHARED: dict[tuple[str, str], frozenset[str]] = {
    ("openai_chat", "openai_responses"): _OPENAIS | {"verbosity"},
    ("openai_responses", "openai_chat"): _OPENAIS | {"text.verbosity", "detail"},
}
"""By source and target: fields that both have under these names, and that the target's renderer takes over."""

_CHAT_SETTINGS = {
    "max_tokens": "$.max_completion_tokens",
    "effort": "$.reasoning_effort",
    "thinking_budget": "$.reasoning.max_tokens",
    "parallel_tools": "$.parallel_tool_calls",
}

_OLLAMA_OPTIONS = ("temperature", "top_p", "top_k", "stop", "seed")

SETTINGS: dict[str, dict[str, str]] = {
    "openai_chat": _CHAT_SETTINGS,
    "openai_responses": {
        "max_tokens": "$.max_output_tokens",
        "effort": "$.reasoning.effort",
        "parallel_tools": "$.parallel_tool_calls",
        "response_format": "$.text.format",
    },
    "anthropic_messages": {
        "stop": "$.stop_sequences",
        "effort": "$.output_config.effort",
        "thinking_budget": "$.thinking.budget_tokens",
        "parallel_tools": "$.tool_choice.disable_parallel_tool_use",
        "response_format": "$.output_config.format",
        "user": "$.metadata.user_id",
    },
    "bedrock_converse": {
        "max_tokens": "$.inferenceConfig.maxTokens",
        "temperature": "$.inferenceConfig.temperature",
        "top_p": "$.inferenceConfig.topP",
        "stop": "$.inferenceConfig.stopSequences",
        "top_k": "$.additionalModelRequestFields.top_k",
        "effort": "$.outputConfig.effort",
        "thinking_budget": "$.additionalModelRequestFields.thinking.budget_tokens",
        "response_format": "$.outputConfig.textFormat",
        "tool_choice": "$.toolConfig.toolChoice",
        "parallel_tools": "$.additionalModelRequestFields.tool_choice.disable_parallel_tool_use",
        "service_tier": "$.serviceTier",
        "metadata": "$.requestMetadata",
    },
    "ollama_chat": {
        "max_tokens": "$.options.num_predict",
        "effort": "$.think",
        "response_format": "$.format",
        **{name: f"$.options.{name}" for name in _OLLAMA_OPTIONS},
    },
    "gemini_generate": {
        "max_tokens": "$.generationConfig.maxOutputTokens",
        "temperature": "$.generationConfig.temperature",
        "top_p": "$.generationConfig.topP",
        "top_k": "$.generationConfig.topK",
        "stop": "$.generationConfig.stopSequences",
        "seed": "$.generationConfig.seed",
        "n": "$.generationConfig.candidateCount",
        "effort": "$.generationConfig.thinkingConfig.thinkingLevel",
        "thinking_budget": "$.generationConfig.thinkingConfig.thinkingBudget",
        "response_format": "$.generationConfig.responseJsonSchema",
        "tool_choice": "$.toolConfig.functionCallingConfig",
        "service_tier": "$.serviceTier",
        "metadata": "$.labels",
    },
}
"""By dialect: where its body has a setting, unless it is `$.` and the canonical word."""

TOOLS = {"bedrock_converse": "$.toolConfig.tools"}
"""By dialect: where its body has the tools, unless it is `$.tools`."""
