"""Huawei Cloud's side of the wire: IAM, and ModelArts workflows with the executions that they run.

Written from the vendor's API pages, the models of its SDK, its Terraform provider and recorded live
answers. What none of these tells is marked "assumed" where it is decided.
"""

from __future__ import annotations
