"""Order, and ship: the user is told in the transaction that ships."""

import json

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from orders.models import Order
from wooshq.django import enqueue


@csrf_exempt
@require_POST
def order(request: HttpRequest) -> JsonResponse:
    """Take an order: {"user", "items"}."""
    asked = json.loads(request.body)
    made = Order.objects.create(user=asked["user"], items=asked.get("items", 1))
    return JsonResponse({"id": made.pk}, status=201)


@csrf_exempt
@require_POST
def shipped(request: HttpRequest, number: int) -> JsonResponse:
    """Ship an order. That it is shipped and that its user is told are one fact: both are committed, or neither."""
    with transaction.atomic():
        found = get_object_or_404(Order.objects.select_for_update(), pk=number)
        found.shipped = True
        found.save()
        intent_id = enqueue(
            {
                "to": {"users": [found.user]},
                "message": {"push": {"title": "Shipped", "body": f"Your order {found.pk} is on its way"}},
                "idempotency_key": f"shop-shipped-{found.pk}",
            }
        )
    return JsonResponse({"intent": intent_id}, status=202)
