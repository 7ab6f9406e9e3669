"""Records of routes in the shape in which the API shows them: whole, nothing left out."""

from dragoman.api.route_schemas import BreakerView, RetryView, RouteShape, SystemView, TargetView
from dragoman.records.control import Breaker
from dragoman.records.route import Route
from dragoman.records.setup import Provider


def route_shape(route: Route) -> RouteShape:
    return RouteShape(
        name=route.name,
        prefix=route.prefix,
        model=route.model,
        priority=route.priority,
        is_active=route.is_active,
        system=SystemView(
            replace=list(route.system.replace), append=route.system.append, progress=route.system.progress
        ),
        targets=[TargetView(provider=one.provider, dialect=one.dialect, model=one.model) for one in route.targets],
        retry=RetryView(attempts=route.retry.attempts, on=list(route.retry.on), max_wait=route.retry.max_wait),
    )


def breaker_view(breaker: Breaker | None) -> BreakerView:
    """Show a provider's breaker; those that gateways do not name are closed."""
    if breaker is None:
        return BreakerView(state="closed", failures=0, retry_in_s=0.0)
    return BreakerView(state=breaker.state, failures=breaker.failures, retry_in_s=breaker.retry_in_s)


def key_source(provider: Provider) -> str:
    """Say whose credential a provider is sent: `env:NAME`, `vault:SLUG`, `aws:PROFILE`, `none`, or `client`."""
    auth = provider.auth
    if auth is None:
        return "client"
    if auth.scheme == "none":
        return "none"
    if auth.scheme == "sigv4":
        return f"aws:{auth.profile or 'environment'}"
    return f"env:{auth.key_env}" if auth.key_env else f"vault:{auth.key_vault or provider.slug}"
